"""psycopg2, answering the parity tests: a line of JSON in, a line of JSON out.

Calls are made as psycopg2's documentation shows them: a connection per call, arguments left out
that the test leaves out, commit after success, rollback after an error.
"""

import io
import json
import signal
import sys

import psycopg2

SYSTEM_OBJECTS = """
    SELECT c.relkind, c.relname FROM pg_catalog.pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'S') ORDER BY c.relname
"""

# Seconds for one answer. Past that the process ends, and the test that waits for it fails.
PATIENCE = 60

connections = {}


def connection_for_setup(dsn):
    """One connection per database for what is not under test."""
    if dsn not in connections:
        connections[dsn] = psycopg2.connect(dsn)
        connections[dsn].autocommit = True
        connections[dsn].set_client_encoding("UTF8")
    return connections[dsn]


def setup(request):
    """Runs SQL, outside a transaction of ours."""
    with connection_for_setup(request["dsn"]).cursor() as cursor:
        for sql in request["sql"]:
            cursor.execute(sql)
    return {}


def content(request):
    """Every table of the schema public, its rows in the order they lie in, and every sequence."""
    found = {}
    with connection_for_setup(request["dsn"]).cursor() as cursor:
        cursor.execute(SYSTEM_OBJECTS)
        for kind, name in cursor.fetchall():
            rows = io.BytesIO()
            what = "*" if kind == "r" else "last_value, is_called"
            quoted = '"%s"' % name.replace('"', '""')
            cursor.copy_expert("COPY (SELECT %s FROM public.%s) TO STDOUT" % (what, quoted), rows)
            found[name] = encoded(rows.getvalue())
    return {"content": found}


def copy(request):
    """copy_from, copy_to or copy_expert, in a transaction of its own."""
    output = io.BytesIO()
    data = io.BytesIO(request["bytes"].encode("latin-1"))
    given = {key: request[key] for key in ("sep", "null", "size", "columns") if key in request}
    connection = psycopg2.connect(request["dsn"])
    try:
        cursor = connection.cursor()
        if request["op"] == "copy_from":
            cursor.copy_from(data, request["table"], **given)
        elif request["op"] == "copy_to":
            cursor.copy_to(output, request["table"], **given)
        else:
            cursor.copy_expert(request["sql"], InAndOut(data, output), **given)
        connection.commit()
    except psycopg2.Error as error:
        connection.rollback()
        return {"ok": False, "pgcode": error.pgcode, "message": str(error)}
    finally:
        connection.close()
    return {
        "ok": True,
        "rows": cursor.rowcount,
        "statusmessage": cursor.statusmessage,
        "bytes": encoded(output.getvalue()),
    }


class InAndOut:
    """A file for either direction, since copy_expert goes the way its SQL says."""

    def __init__(self, data, output):
        self.read = data.read
        self.write = output.write


def encoded(data):
    """Bytes as a string for JSON, one character each."""
    return data.decode("latin-1")


def main():
    operations = {"setup": setup, "content": content}
    for line in sys.stdin:
        signal.alarm(PATIENCE)
        request = json.loads(line)
        answer = operations.get(request["op"], copy)(request)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


main()
