-- Every object that comes is looked for by its UID alone: among 100,000 that must not take 100,000 looks.
CREATE INDEX instance_by_uid ON instance (sop_instance_uid);
