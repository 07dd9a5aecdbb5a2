"""Previews, stubs, handles and recall: what the model reads of a page that isn't whole."""
