"""A proxy that opens tunnels by CONNECT. Prints its port, then a line for each tunnel."""

import asyncio


async def pump(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


async def serve(reader, writer):
    target = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
    host, port = target.rsplit(":", 1)
    print("tunnel to", target, flush=True)
    upstream_reader, upstream_writer = await asyncio.open_connection(host, int(port))
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    await asyncio.gather(pump(reader, upstream_writer), pump(upstream_reader, writer))


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
