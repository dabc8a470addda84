from moru import Sandbox

sandbox = Sandbox.create()

# Start a background process
sandbox.commands.run("python3 server.py", background=True)

# Graceful shutdown
sandbox.commands.run("pkill -SIGTERM python3")

# Wait for cleanup
import time
time.sleep(2)

# Now kill
sandbox.kill()
