"`python -m ssl_nb` is the command `ssl_nb`"
import sys
from ssl_nb.cli import main

if __name__ == '__main__': sys.exit(main())
