"""The timeline: a lane for each app, a bar for each run, a range in the address. The server draws; a script zooms."""

MAY_SEE = "runtime.view_runtime"
