# The server of `onethinker serve`:
#
#   docker build -t onethinker .                                           # PyTorch as the package index has it: GPU and CPU
#   docker build -t onethinker:cpu --build-arg TORCH_INDEX=ADDRESS .       # smaller, of PyTorch's index of CPU builds
#   docker run --rm --gpus all -p 8000:8000 -e ONETHINKER_TOKEN=TOKEN -v /models:/models:ro onethinker /models/MINE
#   docker run --rm -p 8000:8000 -e ONETHINKER_TOKEN=TOKEN onethinker:cpu
#
# TORCH_INDEX: the address of one of PyTorch's own indexes (pytorch.org tells them: CPU, or another CUDA).
FROM python:3.12-slim AS build
ARG TORCH_INDEX=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
# First and by itself: a change of our own code then installs nothing large anew. torch and torchvision of one build.
# hadolint ignore=DL3013
RUN pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} 'torch>=2.9,!=2.13.0' torchvision
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY onethinker onethinker
# hadolint ignore=DL3013
RUN pip install '.[serve]'

FROM python:3.12-slim
# Nobody in particular; results and uploads lie in /tmp, which may be a tmpfs.
RUN useradd --create-home --uid 10001 onethinker
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 HF_HUB_DISABLE_TELEMETRY=1
USER 10001
WORKDIR /home/onethinker
EXPOSE 8000
HEALTHCHECK --start-period=120s --interval=30s --timeout=5s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
# Other machines reach it, so that it wants ONETHINKER_TOKEN and says so without one. SIGTERM lets it answer to the end.
STOPSIGNAL SIGTERM
ENTRYPOINT ["onethinker", "serve", "--host", "0.0.0.0", "--port", "8000"]
CMD ["mini-rl"]
