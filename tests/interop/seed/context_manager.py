from moru import Sandbox

with Sandbox.create() as sandbox:
    result = sandbox.commands.run("echo 'Hello'")
    print(result.stdout)

# Sandbox is automatically killed when exiting the context
