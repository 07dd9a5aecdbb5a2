"""The demo: an agent that pays invoices at a bank which is a stranger to perdure."""
