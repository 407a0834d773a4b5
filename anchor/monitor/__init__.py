"""Where everything stands: overview, alarms, checks of the set-up; nothing here changes it."""
