"""The one corridor of the house: rows that survive a kill -9."""
