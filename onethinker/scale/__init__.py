"""Past one machine: our training in workers that others' engines place, start again and spread."""
