"""Packages without a network: wheels that a task builds itself, virtual environments, node modules, archives."""

from typing import Final

from tests.workspace.corpus.task import Edit, Read, Shell, Task, Write, look

WHEEL_PY = '''"""Build a wheel of one module: makewheel.py NAME VERSION SOURCE."""
import base64, hashlib, sys, zipfile

name, version, source = sys.argv[1:]
record = []


def add(wheel, path, text):
    body = text.encode()
    spent = base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()
    record.append(f"{path},sha256={spent},{len(body)}")
    wheel.writestr(zipfile.ZipInfo(path, (2024, 5, 1, 12, 0, 0)), body)


with zipfile.ZipFile(f"wheels/{name}-{version}-py3-none-any.whl", "w") as wheel:
    place = f"{name}-{version}.dist-info"
    add(wheel, f"{name}.py", open(source).read())
    add(wheel, f"{place}/METADATA", f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
    add(wheel, f"{place}/WHEEL", "Wheel-Version: 1.0\\nGenerator: hand\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    add(wheel, f"{place}/entry_points.txt", f"[console_scripts]\\n{name} = {name}:main\\n")
    wheel.writestr(zipfile.ZipInfo(f"{place}/RECORD", (2024, 5, 1, 12, 0, 0)), "\\n".join(record) + "\\n")
'''
GREET = 'VERSION = "{}"\n\n\ndef main():\n    print("greetings", VERSION)\n'
PIP = "python3 -m pip --python .venv/bin/python -q --no-input --disable-pip-version-check --no-cache-dir"
INSTALL = f"{PIP} install --no-index --no-compile --find-links wheels"

VENV = Task(
    "a wheel in a virtual environment",
    "python -m venv, pip install of a wheel built here, scripts with the interpreter's path in them",
    files={"makewheel.py": WHEEL_PY, "greet1.py": GREET.format("1.0"), ".gitignore": ".venv/\nwheels/\n"},
    setup="git init -q -b main --template= && git add -A && git commit -q -m first",
    turns=(
        Shell("mkdir wheels\npython3 makewheel.py greet 1.0 greet1.py\n# half\npython3 -m venv --without-pip .venv"),
        look("ls wheels"),
        Shell(f"{INSTALL} greet"),
        look(".venv/bin/greet"),
        Shell(".venv/bin/greet >>.venv/said\nmkdir .venv/etc\n# half\nchmod 700 .venv/etc"),
    ),
    questions=(".venv/bin/greet", "cat .venv/said"),
    requires=("git", "pip"),
)  # fmt: skip

UPGRADE = Task(
    "an upgrade and a removal",
    "pip replaces a version by another and removes it; a path file remains",
    files={"makewheel.py": WHEEL_PY, "greet1.py": GREET.format("1.0"), "greet2.py": GREET.format("2.0"), "extra/side.py": "WORD = 7\n"},
    setup="mkdir wheels\npython3 makewheel.py greet 1.0 greet1.py\npython3 -m venv --without-pip .venv",
    turns=(
        Shell(f"{INSTALL} greet==1.0"),
        Shell(f".venv/bin/greet >>said\npython3 makewheel.py greet 2.0 greet2.py\n# half\n{INSTALL} --upgrade greet\n.venv/bin/greet >>said"),
        look("cat said"),
        Shell("echo $PWD/extra >.venv/lib/$(ls .venv/lib)/site-packages/extra.pth\n# half\n.venv/bin/python -c 'import side; print(side.WORD)' >>said"),
        Shell(f"{PIP} uninstall -y greet\n# half\n.venv/bin/python -c 'import side; print(side.WORD + 1)' >>said"),
        look("ls .venv/bin"),
    ),
    questions=("cat said", "ls .venv/lib/*/site-packages", ".venv/bin/python -c 'import side; print(side.WORD)'"),
    requires=("pip",),
)  # fmt: skip

MODULES = Task(
    "node modules",
    "a linked package below node_modules, a lock file written by a script, output named by its content",
    files={
        "packages/left/index.js": "exports.pad = (text) => '<' + text;\n",
        "app.js": "const { pad } = require('left');\nconsole.log(pad('x'));\n",
        "build.js": (
            "const fs = require('fs'), crypto = require('crypto');\n"
            "const text = fs.readFileSync('app.js', 'utf8') + fs.readFileSync('packages/left/index.js', 'utf8');\n"
            "const name = 'app.' + crypto.createHash('sha256').update(text).digest('hex').slice(0, 8) + '.js';\n"
            "fs.mkdirSync('dist', { recursive: true });\nfs.writeFileSync('dist/' + name, text);\n"
            "const old = fs.existsSync('dist/manifest.json') ? JSON.parse(fs.readFileSync('dist/manifest.json')) : { builds: 0 };\n"
            "fs.writeFileSync('dist/manifest.json', JSON.stringify({ builds: old.builds + 1, app: name }) + '\\n');\n"
        ),
        ".gitignore": "node_modules/\ndist/\n",
    },
    setup="git init -q -b main --template= && git add -A && git commit -q -m first",
    turns=(
        Shell("mkdir node_modules\nln -s ../packages/left node_modules/left\n# half\nnode app.js >run.txt"),
        look("node app.js"),
        Shell("node build.js"),
        Edit("packages/left/index.js", "'<'", "'<<'"),
        Shell("node build.js\n# half\nnode build.js\nnode app.js >>run.txt"),
        look("ls dist; cat dist/manifest.json"),
        Shell("rm node_modules/left\ncp -r packages/left node_modules/left\n# half\nmv packages vendored\nnode app.js >>run.txt"),
    ),
    questions=("node app.js", "cat dist/manifest.json run.txt"),
    requires=("git", "node"),
)  # fmt: skip

TARS = Task(
    "tar and untar",
    "archives that keep modes and links, unpacked over what is there",
    files={"tree/a": "a\n", "tree/sub/b": "b\n", "tree/run": "#!/bin/sh\necho ran\n"},
    setup="ln -s sub/b tree/link\nln tree/a tree/sub/hard\nmkdir tree/empty\nchmod 2750 tree/sub",
    turns=(
        Shell("tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -cf one.tar tree"),
        look("tar -tvf one.tar | sort"),
        Shell("echo changed >tree/a\nrm -r tree/empty\n# half\nmkdir copy\ntar -xpf one.tar -C copy"),
        Shell("mv tree tree.new\ntar -xpf one.tar\n# half\ntar -xpf one.tar --strip-components=1 -C copy tree/sub/b tree/run"),
        look("cat tree/a; tree/run; ls -l copy"),
        Shell("tar --sort=name --owner=0 --group=0 --mtime=@0 -rf one.tar tree.new/a\n# half\ntar -tf one.tar >list\nrm -r copy/tree/sub"),
        Shell("mkdir one\ntar -xpf one.tar -C one\nchmod 0500 one/tree/sub"),
    ),
    questions=("cat list", "tar -tf one.tar"),
    requires=("tar",),
)  # fmt: skip

JOINED = Task(
    "archives end to end",
    "gzip members one after the other, tar -A, xz where present in the end of a file",
    files={"part1": "one\n", "part2": "two\n", "part3": "three\n"},
    turns=(
        Shell("gzip -nc part1 >all.gz\n# half\ngzip -nc part2 >>all.gz"),
        look("zcat all.gz"),
        Shell("tar --owner=0 --group=0 --mtime=@0 -cf a.tar part1\ntar --owner=0 --group=0 --mtime=@0 -cf b.tar part2 part3\n# half\ntar -Af a.tar b.tar\nrm b.tar"),
        look("tar -tf a.tar"),
        Shell("gzip -nc part3 >>all.gz\n# half\nzcat all.gz | wc -l >>count"),
        Write("part4", "four\n"),
        Shell("{ printf '#!/bin/sh\\ntail -c +43 $0 | gunzip -c\\nexit 0\\n####'; gzip -nc part4; } >self\nchmod 755 self\n# half\n./self >>count || true"),
        Read("count"),
    ),
    questions=("zcat all.gz", "cat count", "tar -tf a.tar"),
    requires=("tar", "gzip"),
)  # fmt: skip

TASKS: Final = (VENV, UPGRADE, MODULES, TARS, JOINED)
