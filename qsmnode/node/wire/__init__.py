"""What goes over a DICOM connection (PS3.8, PS3.7): PDUs, command sets, one connection with its deadlines.

Blocking and in the caller's thread, so that every wait has a limit and every size a cap, for both sides:
the receiver answers with it, the sender and the echo ask with it.
"""
