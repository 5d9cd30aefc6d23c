"""Steps from one database schema to the next; see `migrations.upgrade`."""
