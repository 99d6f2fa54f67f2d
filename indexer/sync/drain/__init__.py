"""What drains dirty studies: take, read, map, resolve, plan, send, settle."""
