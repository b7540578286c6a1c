#!/usr/bin/env python3
"""Writes walks.json: personalized PageRank by networkx (3.x) on random graphs of chunks and entities.
Weights as GraphWalk has them. Chunk and entity: ln(1 + chunks / chunks of the entity), six times that for the entity a
chunk is about; a part of a longer name counts where some chunk is about it. Two entities of a relation: the lesser of
their two weights for each time that a chunk says it, times the relation weight of the case."""
import json, math, os, random
import networkx as nx

random.seed(7)
cases = []
while len(cases) < 12:
    relation_weight = [0, 0.5, 1, 3][len(cases) % 4]
    count = random.randint(6, 14)
    names = [f"name {n}" for n in range(count)]
    chunks = []
    for i in range(count):
        mentioned = random.sample(names, random.randint(1, 5))
        cut = random.randint(1, len(mentioned))
        relations = [[*random.sample(names, 2), random.randint(1, 3)] for _ in range(random.randint(0, 2))]
        chunks.append({"id": i + 1, "names": sorted(mentioned[:cut]), "parts": sorted(mentioned[cut:]),
                       "subject": random.choice(names + [None]), "relations": relations})
    about = {c["subject"] for c in chunks}
    holders = {n: [c for c in chunks if n in c["names"] or n == c["subject"] or n in c["parts"] and n in about]
               for n in names}
    weight = {n: math.log1p(count / len(some)) for n, some in holders.items() if len(some) >= 2}
    graph = nx.Graph()
    graph.add_nodes_from(c["id"] for c in chunks)
    for name in weight:
        for c in holders[name]:
            graph.add_edge(c["id"], name, weight=weight[name] * (6 if c["subject"] == name else 1))
    for c in chunks:
        for a, b, times in c["relations"]:
            if a in weight and b in weight and relation_weight > 0:
                before = graph.get_edge_data(a, b, {"weight": 0})["weight"]
                graph.add_edge(a, b, weight=before + relation_weight * times * min(weight[a], weight[b]))
    seeds = [{"id": c["id"], "score": round(random.uniform(0.1, 1), 3)} for c in random.sample(chunks, 3)
             if graph.degree(c["id"]) > 0]
    # networkx hands out again what is stuck in nodes without edges; the walk never gets there.
    if not seeds:
        continue
    ranks = nx.pagerank(graph, alpha=0.8, personalization={s["id"]: s["score"] ** 2 for s in seeds}, weight="weight",
                        tol=1e-12, max_iter=1000)
    cases.append({"chunks": chunks, "relationWeight": relation_weight, "seeds": sorted(seeds, key=lambda s: -s["score"]),
                  "ranks": {str(c["id"]): round(ranks[c["id"]], 9) for c in chunks}})
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "walks.json"), "w") as file:
    json.dump(cases, file)
    file.write("\n")
