-- Promises one unit for each cart of a frame ($1 the ids, $2 their SKUs) in one transaction. Rows are locked in the order of SKUs, so that
-- frames never wait for each other in a circle; where too few units are left, the first carts of the frame get them.
WITH cart AS (
  SELECT id, sku, row_number() OVER (PARTITION BY sku ORDER BY place) AS nth
  FROM unnest($1::uuid[], $2::int[]) WITH ORDINALITY AS frame (id, sku, place)
  WHERE NOT EXISTS (SELECT FROM reservation WHERE reservation.id = frame.id)
),
held AS (
  SELECT sku, units FROM stock WHERE sku = ANY ($2) ORDER BY sku FOR NO KEY UPDATE
),
granted AS (
  INSERT INTO reservation (id, sku, units)
  SELECT cart.id, cart.sku, 1 FROM cart JOIN held USING (sku) WHERE cart.nth <= held.units
  ON CONFLICT DO NOTHING
  RETURNING sku
),
taken AS (
  UPDATE stock SET units = stock.units - sums.units
  FROM (SELECT sku, count(*) AS units FROM granted GROUP BY sku) AS sums
  WHERE stock.sku = sums.sku
)
SELECT count(*) FROM granted
