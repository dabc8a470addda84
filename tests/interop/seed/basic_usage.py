from moru import Sandbox

sandbox = Sandbox.create()

# Do some work...
result = sandbox.commands.run("echo 'Hello'")

# Terminate the sandbox
sandbox.kill()
