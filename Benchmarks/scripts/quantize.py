#!/usr/bin/env python3
"""Quantizes a model with strata and with llama-quantize, and prints size, perplexity and divergence of both.

quantize.py --strata PATH --llama FOLDER --model MODEL_F16.gguf --text TEXT [--calibration TEXT] [--types Q4_0,...]

`--llama` is the folder with llama-quantize. Both tools get the same F16 file and, with --calibration, the same
importance matrix (`strata model imatrix`, which both read). Perplexity and divergence come from
`strata model perplexity --reference`, whose windows and definitions are llama-perplexity's. Progress goes to standard
error, a Markdown table to standard output.
"""
import argparse, json, os, re, resource, subprocess, sys, tempfile


def run(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout, after.ru_utime - before.ru_utime


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--strata", required=True)
    arguments.add_argument("--llama", required=True)
    arguments.add_argument("--model", required=True)
    arguments.add_argument("--text", required=True)
    arguments.add_argument("--calibration")
    arguments.add_argument("--calibration-tokens", default="0")
    arguments.add_argument("--types", default="Q4_0,Q4_K_M,Q5_K_M,Q6_K,Q8_0")
    arguments.add_argument("--tokens", default="8192")
    arguments.add_argument("--threads", default="2")
    a = arguments.parse_args()
    print("| type | matrix | tool | bytes | user s | perplexity | KL divergence | 99 % | same top | RMS Δp |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(dir=os.environ.get("QUANTIZE_DIR")) as folder:
        matrices = [None]
        if a.calibration:
            matrices.append(folder + "/imatrix.gguf")
            run([a.strata, "model", "imatrix", a.model, "--text", a.calibration, "--out", matrices[1],
                 "--tokens", a.calibration_tokens, "--threads", a.threads])
        for kind in a.types.split(","):
            for matrix in matrices:
                for tool in ["strata", "llama.cpp"]:
                    out = folder + "/out.gguf"
                    if tool == "strata":
                        command = [a.strata, "model", "quantize", a.model, out, "--type", kind, "--threads", a.threads]
                        command += ["--imatrix", matrix] if matrix else []
                    else:
                        command = [a.llama + "/llama-quantize"] + (["--imatrix", matrix] if matrix else [])
                        command += [a.model, out, kind, a.threads]
                    _, seconds = run(command)
                    text, _ = run([a.strata, "model", "perplexity", out, "--text", a.text, "--reference", a.model,
                                   "--tokens", a.tokens, "--threads", a.threads, "--json"])
                    r = json.loads(text)
                    kl = r["kl_divergence"]
                    print(f"| {kind} | {'yes' if matrix else '–'} | {tool} | {os.path.getsize(out):,} | {seconds:.1f} "
                          f"| {r['perplexity']:.3f} | {kl['mean']:.5f} ± {1.96 * kl['standard_error']:.5f} "
                          f"| {r['kl_99']:.4f} | {100 * r['top_token_agreement']['mean']:.2f} % "
                          f"| {100 * r['delta_p_rms']['mean']:.2f} % |", flush=True)


if __name__ == "__main__":
    main()
