from moru import Sandbox

# List and kill all running sandboxes
for info in Sandbox.list():
    if info.metadata.get("environment") == "development":
        Sandbox.kill(info.sandbox_id)
        print(f"Killed {info.sandbox_id}")
