from moru import Sandbox

sandbox = Sandbox.create()

# Write some files
sandbox.files.write("/data/important.txt", "Preserve this!")

# Pause instead of kill - filesystem is preserved
sandbox.beta_pause()

# Later, resume the sandbox
sandbox = Sandbox.connect("sbx_abc123...")
sandbox.connect() # Resume from paused state

# Data is still there
content = sandbox.files.read("/data/important.txt")
print(content) # Preserve this!
