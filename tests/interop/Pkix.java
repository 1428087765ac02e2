import java.io.FileInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.CertPathValidator;
import java.security.cert.CertificateFactory;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509CertSelector;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import java.util.Set;

/** Judges certificate chains with the PKIX validator of the JDK. Reads the same table as pyca.py and prints the same lines. */
public final class Pkix {
    public static void main(String[] arguments) throws Exception {
        for (String line : Files.readAllLines(Path.of(arguments[0]))) {
            String[] field = line.split("\t", -1);
            try {
                verify(field[1], field[2], field[3], field[4], Long.parseLong(field[5]));
                System.out.println(field[0] + "\taccepted");
            } catch (Exception error) {
                System.out.println(field[0] + "\trefused\t" + error.toString().replace('\n', ' '));
            }
        }
    }

    private static void verify(String leaf, String chain, String root, String purpose, long time) throws Exception {
        List<X509Certificate> path = new ArrayList<>(read(leaf));
        path.addAll(read(chain));
        X509CertSelector target = new X509CertSelector();
        target.setExtendedKeyUsage(Set.of(purpose.equals("server") ? "1.3.6.1.5.5.7.3.1" : "1.3.6.1.5.5.7.3.2"));
        PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(read(root).get(0), null)));
        parameters.setTargetCertConstraints(target);
        parameters.setDate(new Date(time * 1000));
        parameters.setRevocationEnabled(false);
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        CertPathValidator.getInstance("PKIX").validate(factory.generateCertPath(path), parameters);
    }

    private static List<X509Certificate> read(String file) throws Exception {
        List<X509Certificate> certificates = new ArrayList<>();
        try (FileInputStream stream = new FileInputStream(file)) {
            for (var certificate : CertificateFactory.getInstance("X.509").generateCertificates(stream)) {
                certificates.add((X509Certificate) certificate);
            }
        }
        return certificates;
    }
}
