import asyncio
from moru import AsyncSandbox

async def main():
    async with await AsyncSandbox.create() as sandbox:
        result = await sandbox.commands.run("echo 'Hello'")
        print(result.stdout)
    # Sandbox is automatically killed

asyncio.run(main())
