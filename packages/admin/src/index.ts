// The `millrace` command line is not built yet (see the README of this package): there is nothing to import.
export {}
