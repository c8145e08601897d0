# The app in a container, on the processor only:
#   docker build -t posecore . && docker run --rm -p 127.0.0.1:8501:8501 -v posecore:/data posecore
FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /app

# Libraries first: they change less often than the code, and are the slow part. The processor-only build of torch is a
# tenth of the size of the one with CUDA.
COPY requirements.txt ./
RUN pip install uv \
 && uv pip install --system --no-cache --torch-backend cpu --requirement requirements.txt

COPY pyproject.toml README.md LICENSE app.py ./
COPY posecore ./posecore
COPY pages ./pages
COPY weights ./weights
COPY configs ./configs
COPY .streamlit ./.streamlit
RUN pip install --no-deps --editable . \
 && useradd --create-home --uid 10001 posecore \
 && install --directory --owner=posecore --group=posecore /data

# Weights that are fetched, and runs, outlive the container in this volume.
ENV POSECORE_HOME=/data \
    STREAMLIT_SERVER_ADDRESS=0.0.0.0 \
    STREAMLIT_SERVER_PORT=8501 \
    STREAMLIT_SERVER_HEADLESS=true
VOLUME /data
USER posecore
EXPOSE 8501

HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]

CMD ["streamlit", "run", "app.py"]
