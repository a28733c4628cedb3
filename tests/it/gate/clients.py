"""Loads two rows into a table through a Gauss client for Python that is not ours.

Reads one line of JSON from stdin: client, host, port, user, password, database, and how: "stdin" for
a COPY of text, "csv" and "binary" for those of async-gaussdb. Prints one line of JSON: version, and
either rows or refused (the SQLSTATE).
"""

import asyncio
import io
import json
import sys


def with_py_opengauss(asked):
    import py_opengauss

    url = "opengauss://{user}:{password}@{host}:{port}/{database}"
    session = py_opengauss.open(url.format(**asked))
    try:
        version = session.query.first("SELECT version()")
        session.prepare("COPY t (a, b) FROM STDIN").load_rows([b"1\tx\n", b"2\ty\n"])
        return {"version": version, "rows": session.query.first("SELECT count(*) FROM t")}
    finally:
        session.close()


async def with_async_gaussdb(asked):
    import async_gaussdb

    names = ("host", "port", "user", "password", "database")
    session = await async_gaussdb.connect(**{name: asked[name] for name in names})
    try:
        version = await session.fetchval("SELECT version()")
        try:
            if asked["how"] == "binary":
                rows = [(1, "x"), (2, "y")]
                await session.copy_records_to_table("t", records=rows, columns=["a", "b"])
            else:
                await session.copy_to_table("t", source=io.BytesIO(b"1,x\n2,y\n"), format="csv")
        except async_gaussdb.GaussDBError as refused:
            return {"version": version, "refused": refused.sqlstate}
        return {"version": version, "rows": await session.fetchval("SELECT count(*) FROM t")}
    finally:
        await session.close()


asked = json.loads(sys.stdin.readline())
if asked["client"] == "py-opengauss":
    answer = with_py_opengauss(asked)
else:
    answer = asyncio.run(with_async_gaussdb(asked))
print(json.dumps(answer))
