"""Reading the project's state: overview, alarms, checks of the set-up; nothing is changed."""
