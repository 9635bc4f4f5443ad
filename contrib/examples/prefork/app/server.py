"""server: an asyncio loop that answers HTTP."""

import asyncio
import os
import signal


async def answer(reader, writer):
    try:
        while (await reader.readline()).strip():
            pass
        text = f"{os.environ.get('SVD_WORKER')}, pid {os.getpid()}\n"
        writer.write(f"HTTP/1.0 200 OK\r\nContent-Length: {len(text)}\r\n\r\n"
                     f"{text}".encode())
        await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def serve(port):
    """Until TERM; then no new connection is taken."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = await asyncio.start_server(answer, "127.0.0.1", port)
    print(f"listening on port {port}", flush=True)
    async with server:
        await stop.wait()


def main(port):
    asyncio.run(serve(int(port)))
