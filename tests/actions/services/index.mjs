// The services of the runner, used as official actions use them.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import * as cache from '@actions/cache';
import * as core from '@actions/core';
import * as exec from '@actions/exec';
import * as tools from '@actions/tool-cache';
import { DefaultArtifactClient } from '@actions/artifact';

const input = name => core.getInput(name);
const artifacts = new DefaultArtifactClient();

const tasks = {
  async save() {
    assert.ok(cache.isFeatureAvailable());
    core.setOutput('found', await cache.saveCache([input('path')], input('key')));
  },

  async restore() {
    const found = await cache.restoreCache([input('path')], input('key'), core.getMultilineInput('restore-keys'));
    core.setOutput('found', found ?? 'nothing');
  },

  async upload() {
    const root = input('path');
    const files = fs.readdirSync(root, { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile())
      .map(entry => path.join(entry.parentPath ?? entry.path, entry.name));
    const { id, digest } = await artifacts.uploadArtifact(input('name'), files, root);
    assert.match(digest, /^[0-9a-f]{64}$/);
    core.setOutput('found', id);
  },

  async 'upload-file'() {
    const file = input('path');
    const { id } = await artifacts.uploadArtifact('ignored', [file], path.dirname(file), { skipArchive: true });
    core.setOutput('found', id);
  },

  async download() {
    const { artifact } = await artifacts.getArtifact(input('name'));
    const found = await artifacts.downloadArtifact(artifact.id, { path: input('path'), expectedHash: artifact.digest });
    assert.equal(found.digestMismatch, false);
    core.setOutput('found', artifact.id);
  },

  async list() {
    const found = await artifacts.listArtifacts();
    core.setOutput('found', found.artifacts.map(artifact => artifact.name).sort().join(' '));
  },

  async delete() {
    core.setOutput('found', (await artifacts.deleteArtifact(input('name'))).id);
  },

  async identify() {
    const token = await core.getIDToken(input('name') || undefined);
    const claims = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
    core.setOutput('found', `${claims.sub} ${claims.aud}`);
    core.info(`the token is ${token}`);
  },

  // A program whose output is taken, with an exit code that is no failure.
  async exec() {
    const script = 'echo "run for $1 in $PWD"; echo aside >&2; exit 3';
    const ran = await exec.getExecOutput('sh', ['-c', script, '-', input('name')], { ignoreReturnCode: true, silent: true });
    assert.deepEqual([ran.exitCode, ran.stderr], [3, 'aside\n']);
    core.setOutput('found', ran.stdout.trim());
  },

  // A tool that is unpacked from an archive and kept, unless it is there.
  async tool() {
    const [name, version] = input('name').split('@');
    let kept = tools.find(name, version);
    core.setOutput('found', kept ? 'kept' : 'made');
    if (!kept) {
      const unpacked = await tools.extractTar(input('path'));
      kept = await tools.cacheDir(unpacked, name, version);
    }
    core.addPath(kept);
  },

  async version() {
    core.setOutput('found', process.version.split('.')[0]);
  },

  async look() {
    const names = Object.keys(process.env).filter(name => name.startsWith('ACTIONS_')).sort();
    core.info(`sees ${names.join(' ')}`);
    core.info(`the runtime token is ${process.env.ACTIONS_RUNTIME_TOKEN}`);
  },
};

try {
  await tasks[input('do')]();
} catch (error) {
  core.setFailed(error instanceof Error ? error.stack : String(error));
}
