"""The log of one run as a person reads it: the page, and the questions its scripts ask."""

#: The permission that every page, question and socket of the viewer asks for.
MAY_READ = "logs.view_log"
