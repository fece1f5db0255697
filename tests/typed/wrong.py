"Calls that a type checker must object to, each with the code of what it says; read by mypy, never run."

import torch

import ssl_nb

x = torch.zeros(8, 1, 16, 16, dtype=torch.uint8)
run = ssl_nb.load_run('runs/mnist')
ssl_nb.pretran(x)  # attr-defined
ssl_nb.pretrain(5)  # arg-type
ssl_nb.pretrain(x, epochs='3')  # arg-type
ssl_nb.pretrain(x, epochs=2.5)  # arg-type
ssl_nb.pretrain(x, encoder=lambda v: v)  # arg-type
ssl_nb.pretrain(x, out=3)  # arg-type
ssl_nb.pretrain(x, 'mnist', None, 28, 'leave')  # arg-type
ssl_nb.probe(x)  # arg-type
ssl_nb.probe(run, labels_per_class='ten')  # arg-type
ssl_nb.probe(run, label_per_class=10)  # call-arg
ssl_nb.probe()  # call-arg
ssl_nb.finetune(run, mix='blend')  # arg-type
ssl_nb.semi(run, data=10)  # arg-type
ssl_nb.label_curve(run, sizes=[1, 10])  # arg-type
ssl_nb.deepcluster(x, n_clusters='auto')  # arg-type
ssl_nb.load_data(x, '32')  # arg-type
ssl_nb.load_data('digits').tset  # attr-defined
ssl_nb.load_data('digits').test.labels  # union-attr
ssl_nb.few_labels([0, 1], 'one')  # arg-type
ssl_nb.features('runs/mnist', x)  # arg-type
ssl_nb.knn_predict(x, x, x, k=2.5)  # arg-type
ssl_nb.kmeans(x, 10, backend='numpy')  # arg-type
ssl_nb.spread_labels(x, [0], [0], '2')  # arg-type
ssl_nb.nt_xent(x, x, temperature='low')  # arg-type
ssl_nb.evaluate(run, device=0)  # arg-type
ssl_nb.evaluate_clusters(7)  # arg-type
ssl_nb.predict(run, 3)  # arg-type
ssl_nb.embed(run, x, bad_files='keep')  # arg-type
ssl_nb.to_onnx(run, part='all')  # arg-type
ssl_nb.report(run, out=1)  # arg-type
ssl_nb.inspect_data(x, closeness='near')  # arg-type
ssl_nb.show_images([x])  # arg-type
ssl_nb.shipped_model(1)  # arg-type
ssl_nb.SimCLRFeatures(epochs='3')  # arg-type
ssl_nb.SimCLRFeatures(image_shape=8)  # arg-type
run.features(x, quiet='yes')  # arg-type
run.histroy  # attr-defined
