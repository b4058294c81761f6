"""Read the YAML file that says what to watch and where it goes.

Owns everything between the bytes of the file and `model.Settings`. Never starts anything and never
talks to the network. Called by the commands and by the daemon at start and reload.
"""
