-- Promises one unit ($1 the id, $2 the SKU). A retry finds its id; one that is as fast as the first meets the primary key and takes nothing.
WITH taken AS (
  UPDATE stock SET units = units - 1
  WHERE sku = $2 AND units >= 1 AND NOT EXISTS (SELECT FROM reservation WHERE id = $1)
  RETURNING sku
)
INSERT INTO reservation (id, sku, units) SELECT $1, sku, 1 FROM taken
