"""The scripted author: vocabulary and sentence patterns in data/, and the code that picks them."""
