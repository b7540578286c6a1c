#!/usr/bin/env python3
"""Writes walks.json: personalized PageRank by networkx (3.x) on random graphs of chunks and entities.
Weights as GraphWalk has them: ln(1 + chunks / chunks of the entity), six times that for the entity a chunk is about."""
import json, math, os, random
import networkx as nx

random.seed(7)
cases = []
for _ in range(5):
    count = random.randint(6, 14)
    names = [f"name {n}" for n in range(count)]
    chunks = [{"id": i + 1, "names": sorted(random.sample(names, random.randint(1, 4))), "subject": random.choice(names + [None])}
              for i in range(count)]
    holders = {n: [c for c in chunks if n in c["names"] or n == c["subject"]] for n in names}
    graph = nx.Graph()
    graph.add_nodes_from(c["id"] for c in chunks)
    for name, some in holders.items():
        if len(some) < 2:
            continue
        for c in some:
            graph.add_edge(c["id"], name, weight=math.log1p(count / len(some)) * (6 if c["subject"] == name else 1))
    seeds = [{"id": c["id"], "score": round(random.uniform(0.1, 1), 3)} for c in random.sample(chunks, 3)
             if graph.degree(c["id"]) > 0]
    if not seeds:
        continue
    ranks = nx.pagerank(graph, alpha=0.8, personalization={s["id"]: s["score"] ** 2 for s in seeds}, weight="weight",
                        tol=1e-12, max_iter=1000)
    cases.append({"chunks": chunks, "seeds": sorted(seeds, key=lambda s: -s["score"]),
                  "ranks": {str(c["id"]): round(ranks[c["id"]], 9) for c in chunks}})
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "walks.json"), "w") as file:
    json.dump(cases, file)
    file.write("\n")
