"""Many recipes at once: trained together, and compared honestly."""
