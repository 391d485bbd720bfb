"""How gunicorn serves the site. Processes: WEB_CONCURRENCY, which gunicorn reads itself."""

import os

bind = os.environ.get("EARMARK_BIND", "127.0.0.1:8000")
# threads, because most of a request is waiting for the database or sending audio
worker_class = "gthread"
threads = 8
timeout = 60
graceful_timeout = 10
accesslog = "-"
control_socket_disable = True
