-- A commit that has written to `paid` waits here, in mid-commit, for whoever holds this lock.
CREATE OR REPLACE FUNCTION held() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(77);
    RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS held ON paid;
CREATE CONSTRAINT TRIGGER held AFTER INSERT ON paid DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION held();
