"""The command line of mcu, on machines where torchvision lacks its operators, too."""

from tiny import torch_ready

if __name__ == "__main__":
    torch_ready()
    from mcu.cli import main

    main()
