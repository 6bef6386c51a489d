# clipsearch as a service, with a CPU build of torch. docs/how-to/service.md says how to run it.
FROM python:3.13-slim AS build
RUN pip install --no-cache-dir uv && uv venv /opt/clipsearch
COPY pyproject.toml README.md LICENSE /src/
COPY clipsearch /src/clipsearch
RUN uv pip install --no-cache --python /opt/clipsearch/bin/python --torch-backend=cpu /src

FROM python:3.13-slim
COPY --from=build /opt/clipsearch /opt/clipsearch
RUN useradd --create-home clipsearch && mkdir /index && chown clipsearch /index
USER clipsearch
# Photos may be mounted to be read only, so the index has a volume of its own.
ENV PATH=/opt/clipsearch/bin:$PATH CLIPSEARCH_INDEX=/index
VOLUME ["/index", "/home/clipsearch"]
EXPOSE 8100
ENTRYPOINT ["clipsearch"]
CMD ["serve", "--host", "0.0.0.0", "--no-open", "--watch"]
