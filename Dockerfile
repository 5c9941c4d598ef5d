# Two images from one build: `roost` (control plane, sidecar and command in one) and `shop` (the demo's app, which
# has nothing of Roost in it). Debian's libc, because that is what native modules are built for first.

# By digest, so that every build has the same base; docs/operations.md says how to take a newer one. A machine that can
# pull nothing builds from an image of its own: --build-arg NODE_IMAGE=node:24-slim.
ARG NODE_IMAGE=node:24.19.0-bookworm-slim@sha256:a9f5f7c91a432850b2a8a7797adf5eadb6c733ceed61167806cee7ea7fbc29df

FROM ${NODE_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci
COPY . .
RUN npm run build && chmod +x dist/src/cli/main.js

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /build
COPY package.json package-lock.json ./
# With the optional one: a sidecar that intercepts reads original destinations by it.
RUN npm ci --omit=dev && npm cache clean --force

FROM ${NODE_IMAGE} AS shop
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /build/node_modules/undici node_modules/undici
COPY --from=build /build/package.json ./
COPY --from=build /build/dist/examples/shop/app.js /build/dist/examples/shop/settings.js dist/examples/shop/
USER node
ENTRYPOINT ["node", "dist/examples/shop/app.js"]

# The last stage is what `docker build .` makes.
FROM ${NODE_IMAGE} AS roost
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /build/node_modules node_modules
COPY --from=build /build/package.json ./
COPY --from=build /build/dist/proto dist/proto
COPY --from=build /build/dist/src dist/src
COPY --from=build /build/dist/sidecar dist/sidecar
COPY --from=build /build/dist/control-plane dist/control-plane
# `roost redirect` writes its rules with nft.
RUN apt-get update && apt-get install -y --no-install-recommends nftables && rm -rf /var/lib/apt/lists/*
# A volume mounted over the data folder takes its owner from here.
RUN ln -s /app/dist/src/cli/main.js /usr/local/bin/roost && install -d -o node -g node -m 0700 /var/lib/roost
USER node
EXPOSE 15000 15001 15006 15010 15012 15014 15017 15020
ENTRYPOINT ["node", "/app/dist/src/cli/main.js"]
