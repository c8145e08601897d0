"""The LMDBs that OpenPose was trained from."""
