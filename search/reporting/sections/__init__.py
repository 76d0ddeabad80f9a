"""What the report says, a module a section or two: functions of the report, drawn by any renderer."""
