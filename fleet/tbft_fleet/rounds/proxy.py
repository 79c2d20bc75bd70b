"""What stands before a SuperLink: nginx, which lets requests through to what is for devices, and to nothing else.

Flower has one port for all: whoever reaches `/v1/control/` may start runs, and nothing asks who that is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tbft_artifacts.errors import TbftError
from tbft_fleet.rounds.certificates import Certificates

# Tensors of a message come in pieces of a few MB.
_BODY = "64m"
# Nothing that nginx would take for an end, a variable or a quotation.
_WORD = re.compile(r"[A-Za-z0-9._:/\[\]-]+")
# The address behind `proxy_pass` has a path, so that the SuperLink sees the one that nginx judged by: without it, what
# a client wrote goes through as it is, such as /v1/control/start-run/../../fleet/.
_CONFIGURATION = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    server_tokens off;
    client_max_body_size {body};
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    server {{
        listen {listen} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.2 TLSv1.3;
        location /v1/fleet/ {{
            proxy_pass https://127.0.0.1:{port}/v1/fleet/;
            proxy_ssl_trusted_certificate {ca};
            proxy_ssl_verify on;
            proxy_ssl_name localhost;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_request_buffering off;
            proxy_buffering off;
            proxy_read_timeout 120s;
        }}
        location / {{ return 403; }}
    }}
}}
"""


@dataclass(frozen=True)
class Proxy:
    """Listens at `listen` (HOST:PORT) for devices, and hands their requests to the SuperLink at `port` of loopback."""

    folder: Path
    listen: str
    port: int

    @property
    def configuration(self) -> str:
        """Of nginx. Raises TbftError for a folder or an address that would not be one word in it."""
        for word in (str(self.folder), self.listen):
            if not _WORD.fullmatch(word):
                raise TbftError(
                    f"'{word}' cannot stand in a configuration of nginx", "choose letters, digits and -._:/[] alone"
                )
        files = Certificates(self.folder)
        return _CONFIGURATION.format(
            folder=self.folder,
            body=_BODY,
            listen=self.listen,
            certificate=files.certificate,
            key=files.key,
            ca=files.ca,
            port=self.port,
        )
