-- What has expired is looked for along the key, a little at a time. Indices by time cost each new row a second page to
-- write, since many rows have the same second, and took half of the file.

DROP INDEX IF EXISTS greylist_waiting;
DROP INDEX IF EXISTS greylist_passed;
