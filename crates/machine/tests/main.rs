//! Tests of the machine through its public interface, and of its tables against maps.

mod golden;
mod load;
mod model;
mod order_events;
mod order_memory;
mod order_rows;
mod order_shop;
mod prefetch;
mod sharing_golden;
mod table;
mod table_due;
mod table_generations;
mod table_index;
mod table_parts;
mod table_slab;
mod table_sliced;
mod total;
