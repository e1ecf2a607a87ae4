//! What one reservation costs the machine: time passes, the id is looked up, the cart is planned, executed
//! and recorded. Each iteration applies a batch of 1,024 carts with new ids, then takes the changes, as the
//! applier does.
