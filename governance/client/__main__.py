import sys

from governance.client.command import main

sys.exit(main())
