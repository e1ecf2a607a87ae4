-- The tables of one sample. Half-filled pages leave room for new versions of a row beside the old one.
DROP TABLE IF EXISTS stock, reservation;
CREATE TABLE stock (sku int PRIMARY KEY, units bigint NOT NULL CHECK (units >= 0)) WITH (fillfactor = 50);
CREATE TABLE reservation (
  id uuid PRIMARY KEY,
  sku int NOT NULL,
  units bigint NOT NULL,
  state "char" NOT NULL DEFAULT 'P',
  at timestamptz NOT NULL DEFAULT now()
);
