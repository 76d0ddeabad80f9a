"""Training with Spark MLlib: its JVM, its session, its rows and its fits."""
