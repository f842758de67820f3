-- When those who passed came back for the first time, and what other delays would have cost them. Counted when a mail
-- passes; `greylist` itself keeps no list of attempts.

CREATE TABLE first_retry (
  below INTEGER PRIMARY KEY,          -- seconds after the first attempt
  mails INTEGER NOT NULL DEFAULT 0
);
INSERT INTO first_retry (below) VALUES (30), (60), (120), (180), (240), (300), (360), (600), (900), (1200), (1800), (3600),
  (7200), (14400), (28800), (86400), (9223372036854775807);

CREATE TABLE delay_cost (
  delay   INTEGER PRIMARY KEY,        -- a delay that one may choose, in seconds
  mails   INTEGER NOT NULL DEFAULT 0, -- that would have passed at an attempt that was made
  waited  INTEGER NOT NULL DEFAULT 0, -- how long these would have waited, together
  further INTEGER NOT NULL DEFAULT 0  -- that would have had to come a further time
);
INSERT INTO delay_cost (delay) VALUES (60), (240), (300), (600);
