"""Golden cases: real and synthetic files, what a real Orthanc makes of them, and what the mapping makes of that."""
