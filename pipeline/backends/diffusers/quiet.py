"""The notices and progress bars of diffusers and transformers, kept from among ours."""

import logging


def quiet() -> None:
    """Let them tell errors alone; call it before their models are imported.

    Downloads still show how far they are.
    """
    import diffusers
    import transformers

    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()
    logging.getLogger("peft").setLevel(logging.ERROR)
