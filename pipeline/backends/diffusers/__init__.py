"""Pictures by diffusion models: routes, and what they share. Imports nothing by itself."""
