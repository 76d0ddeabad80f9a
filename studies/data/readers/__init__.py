"""One reader for each kind of source: files of tables, arrays, libsvm, and built-in data sets."""
